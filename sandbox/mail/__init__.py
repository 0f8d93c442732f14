"""A mail server that delivers nowhere and shows everything it was handed."""

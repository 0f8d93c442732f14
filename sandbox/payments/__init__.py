"""A payment provider that speaks Stripe's wire format and keeps its own book of what it charged."""

"""People: organisers who launch, members who pledge. Personal data has its home here."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.db import models

from countmein.base.ids import uuid7
from countmein.base.lanes import LaneModel


class OrganiserAccounts(BaseUserManager["Organiser"]):
    """Makes organisers known by their address alone."""

    def create_user(self, email: str, **fields: Any) -> Organiser:
        organiser = self.model(email=self.normalize_email(email), **fields)
        organiser.set_unusable_password()
        organiser.save(using=self._db)
        return organiser


class Organiser(AbstractUser):
    """Somebody who may launch campaigns; made by signing in or by the `token` command."""

    username = None  # type: ignore[assignment]
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=100, blank=True)
    #: The site's owner may read the self-check; the first organiser made on the command line.
    is_owner = models.BooleanField(default=False)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects = OrganiserAccounts()  # type: ignore[assignment,misc]

    def __str__(self) -> str:
        return self.name or self.email


class ApiToken(models.Model):
    """A program's right to act for an organiser; only the digest of the token is kept."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organiser = models.ForeignKey(Organiser, on_delete=models.CASCADE)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)


class Member(LaneModel):
    """One mailbox that has pledged; the lane comes from the mailbox's keyed digest."""

    distribution = "person"
    mailbox = models.CharField(max_length=64)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["lane", "mailbox"], name="one_member_per_mailbox")
        ]


class Contact(LaneModel):
    """An address and a name as a member once typed them; mail goes to the address as typed.

    The id is made of member, address, name and language: one row for each spelling.
    """

    distribution = "person"
    member_id = models.UUIDField()
    address = models.CharField(max_length=254)
    name = models.CharField(max_length=100, blank=True)
    language = models.CharField(max_length=12, default="en-gb")

    class Meta:
        indexes = [
            # All spellings of one member: for the allowance of mails, export and erasure.
            models.Index(fields=["lane", "member_id"], name="contact_by_member")
        ]

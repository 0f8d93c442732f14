"""People: organisers who launch, members who pledge. Personal data has its home here."""

from __future__ import annotations

import uuid
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
    """One mailbox that has pledged; the lane comes from the mailbox's keyed digest.

    `wrapped_key` is the member's own key under the site's: without it no contact of theirs opens.
    """

    distribution = "person"
    mailbox = models.CharField(max_length=64)
    wrapped_key = models.BinaryField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["lane", "mailbox"], name="one_member_per_mailbox")
        ]


class Contact(LaneModel):
    """An address and a name as a member once typed them, sealed; mail goes to the address as typed.

    The id is made of address, name and language under the site's key: one row for each spelling.
    Written by `enrol`, opened by `contacts.opened`.
    """

    distribution = "person"
    member_id = models.UUIDField()
    #: Address and name under the member's own key.
    sealed = models.BinaryField(null=True)
    #: As they stood before contacts were sealed; emptied by `seal_old`, never written again.
    address = models.CharField(max_length=254, blank=True, default="", db_default="")
    name = models.CharField(max_length=100, blank=True, default="", db_default="")
    language = models.CharField(max_length=12, default="en-gb")

    class Meta:
        indexes = [
            # All spellings of one member: for the allowance of mails, export and erasure.
            models.Index(fields=["lane", "member_id"], name="contact_by_member")
        ]


class Erasure(LaneModel):
    """One time that somebody was erased; names nobody once it is done.

    Written by `erase` together with the end of all contacts; the rest is done by a job that is
    found by `done_at`.
    """

    distribution = "person"
    #: The mailbox's keyed digest for as long as something of it is left; then empty.
    mailbox = models.CharField(max_length=64, blank=True)
    #: The member, by a mailed link; the desk, on request; a restore, which repeats what was done;
    #: the clock, when the details were kept long enough.
    by = models.CharField(max_length=8)
    asked_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)
    withdrawn = models.IntegerField(default=0)
    kept = models.IntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lane", "mailbox"],
                condition=models.Q(done_at__isnull=True),
                name="one_erasure_at_a_time",
            )
        ]
        indexes = [
            # What is still to be done.
            models.Index(
                fields=["lane", "id"],
                condition=models.Q(done_at__isnull=True),
                name="erasure_undone",
            )
        ]


class Suppression(LaneModel):
    """A mailbox that no import may bring back: a keyed digest of its own, and nothing else."""

    distribution = "person"
    digest = models.CharField(max_length=64)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["lane", "digest"], name="one_suppression_per_mailbox")
        ]


#: What a pledge names instead of a contact once its member was erased: first, while a fingerprint
#: of the mailbox is still kept so that nobody counts twice; then, when nothing leads to anybody.
ERASED = uuid.UUID(int=0)
UNLINKED = uuid.UUID(int=(1 << 128) - 1)

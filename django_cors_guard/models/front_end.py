"""The application behind one or more origins: who owns it, whom to call."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.utils.translation import gettext_lazy as _


class FrontEndManager(models.Manager["FrontEnd"]):
    """Manager with the natural key."""

    def get_by_natural_key(self, slug: str) -> FrontEnd:
        return self.get(slug=slug)


class FrontEnd(models.Model):
    """A front end. It describes grants and decides about none, so it takes no revision."""

    slug = models.SlugField(_("slug"), unique=True, max_length=50)
    name = models.CharField(_("name"), max_length=100)
    owner = models.CharField(_("owner"), max_length=100, blank=True, help_text=_("The team or person who runs it."))
    contact = models.CharField(_("contact"), max_length=200, blank=True, help_text=_("Whom to call, and how."))
    external = models.BooleanField(_("external"), default=False, help_text=_("Run by somebody outside."))
    review_by = models.DateField(_("review by"), null=True, blank=True)

    objects = FrontEndManager()

    class Meta:
        verbose_name = _("front end")
        verbose_name_plural = _("front ends")
        constraints = [models.CheckConstraint(condition=~models.Q(slug=""), name="cors_guard_front_end_slug_given")]

    def __str__(self) -> str:
        return self.name or self.slug

    def natural_key(self: Self) -> tuple[str]:
        return (self.slug,)

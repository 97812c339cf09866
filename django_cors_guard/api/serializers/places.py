"""Environments, API groups and front ends, to be read."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from django_cors_guard.api.serializers.codes import IsolationField, ModeField, ResourcePolicyField
from django_cors_guard.models import ApiGroup, Environment, FrontEnd


class GroupModeSerializer(serializers.Serializer[Any]):
    """The mode of one API group, where it differs from the environment's."""

    api_group = serializers.CharField(source="api_group.slug")
    mode = ModeField()


class EnvironmentSerializer(serializers.Serializer[Environment]):
    """One environment: how strict the guard is there. ``max_trust_days`` is null where grants may live for ever."""

    id = serializers.IntegerField()
    slug = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    mode = ModeField()
    group_modes = GroupModeSerializer(many=True)
    allow_insecure_http = serializers.BooleanField()
    allow_insecure_credentials = serializers.BooleanField()
    allow_loopback = serializers.BooleanField()
    allow_subdomain_patterns = serializers.BooleanField()
    allow_custom_schemes = serializers.BooleanField()
    max_trust_days = serializers.IntegerField(allow_null=True)
    protected = serializers.BooleanField()


class TokensField(serializers.ListField):
    """Names of methods or headers; a stored value that is no list, which closes its group, has none."""

    child = serializers.CharField()

    def to_representation(self, data: Any) -> list[str]:
        return [str(token) for token in data] if isinstance(data, list) else []


class RouteSerializer(serializers.Serializer[Any]):
    """One path prefix of a group; blank host: every host."""

    host = serializers.CharField()
    path_prefix = serializers.CharField()


class ApiGroupSerializer(serializers.Serializer[ApiGroup]):
    """One API group: what a trusted caller may do, and where. ``max_age`` is in seconds."""

    id = serializers.IntegerField()
    slug = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    any_origin = serializers.BooleanField()
    allow_credentials = serializers.BooleanField()
    trusted_for_csrf = serializers.BooleanField()
    allow_methods = TokensField()
    allow_headers = TokensField()
    expose_headers = TokensField()
    max_age = serializers.IntegerField()
    isolate = IsolationField()
    timing_allow_origin = serializers.BooleanField()
    cross_origin_resource_policy = ResourcePolicyField()
    routes = RouteSerializer(many=True)


class FrontEndSerializer(serializers.Serializer[FrontEnd]):
    """The application behind one or more origins."""

    id = serializers.IntegerField()
    slug = serializers.CharField()
    name = serializers.CharField()
    owner = serializers.CharField()
    contact = serializers.CharField()
    external = serializers.BooleanField()
    review_by = serializers.DateField(format="iso-8601", allow_null=True)

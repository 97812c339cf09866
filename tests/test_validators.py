import pytest
from django.core.exceptions import ValidationError

from django_cors_guard.models import ApiGroup, ApiRoute
from django_cors_guard.validators import validate_host


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("", id="every host"),
        "api.example.com",
        "localhost",
        pytest.param("API.Example.com", id="case"),
        pytest.param(" api.example.com ", id="spaces around it"),
        pytest.param("api.example.com.", id="trailing dot"),
        pytest.param("api.example.com:8000", id="port"),
        pytest.param("api.example.com.:8000", id="trailing dot and port"),
        pytest.param("[::1]", id="IPv6"),
        pytest.param("[::1]:8000", id="IPv6 with a port"),
    ],
)
def test_host_that_can_be_compared_is_accepted(host: str) -> None:
    validate_host(host)


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("https://api.example.com", id="URL, which would be kept as the host “https”"),
        pytest.param("api.example.com/path", id="path"),
        pytest.param("user@api.example.com", id="user"),
        pytest.param("api.example.com:", id="no port"),
        pytest.param("api.example.com:web", id="port that is none"),
        pytest.param("a..b", id="empty label"),
        pytest.param("[::1", id="half an address"),
        pytest.param("*.example.com", id="pattern"),
        pytest.param("two hosts", id="space within"),
    ],
)
def test_host_that_no_request_has_is_refused(host: str) -> None:
    with pytest.raises(ValidationError) as refused:
        validate_host(host)
    assert refused.value.code == "host"


def test_route_with_a_url_for_a_host_is_refused_as_it_was_typed(public: ApiGroup) -> None:
    route = ApiRoute(api_group=public, host="https://api.example.com", path_prefix="/api")
    with pytest.raises(ValidationError) as refused:
        route.full_clean()
    assert list(refused.value.message_dict) == ["host"]
    assert route.host == "https://api.example.com"

"""The site's own pages and its two small APIs. Nothing in here knows of CORS: that is the point."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

INVOICES = (
    {"number": "2026-0412", "customer": "Harbour Bakery", "due": "2026-11-30", "total": "1240.50", "status": "open"},
    {
        "number": "2026-0409",
        "customer": "Pine & Daughters",
        "due": "2026-11-21",
        "total": "318.00",
        "status": "overdue",
    },
    {"number": "2026-0397", "customer": "Lakeside Physio", "due": "2026-10-31", "total": "86.90", "status": "paid"},
)


@require_safe
@never_cache
def home(request: HttpRequest) -> HttpResponse:
    """Say what there is on this origin, and who is logged in."""
    return render(request, "example_project/home.html")


@require_safe
@never_cache
def hello(request: HttpRequest) -> JsonResponse:
    """Public: the same greeting for everybody."""
    return JsonResponse({"message": "Hello from the public API.", "at": timezone.now().isoformat(timespec="seconds")})


@require_safe
@never_cache
def invoices(request: HttpRequest) -> JsonResponse:
    """Private: the invoices of whoever the session cookie says is logged in; 401 for everybody else."""
    if not request.user.is_authenticated:
        detail = f"Nobody is logged in. Log in at {request.build_absolute_uri(reverse('login'))} and ask again."
        return JsonResponse({"detail": detail}, status=401, headers={"WWW-Authenticate": 'Cookie realm="invoices"'})
    return JsonResponse({"account": request.user.get_username(), "currency": "EUR", "invoices": list(INVOICES)})

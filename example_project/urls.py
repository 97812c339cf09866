"""URLs of the example project. `/api/public` and `/api/billing` are the two API groups that the demo guards."""

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.contrib.staticfiles.urls import staticfiles_urlpatterns
from django.urls import URLPattern, URLResolver, include, path

from example_project import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.home, name="home"),
    path("api/public/hello", views.hello, name="hello"),
    path("api/billing/invoices", views.invoices, name="invoices"),
    path("login", LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout", LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
    path("cors-guard/", include("django_cors_guard.api.urls")),
    # With DEBUG, the admin has its style under gunicorn and uvicorn too.
    *staticfiles_urlpatterns(),
]

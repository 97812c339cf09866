"""The example project's URLs, and its static files without DEBUG."""

from functools import partial

from django.conf import settings
from django.contrib.staticfiles.views import serve
from django.urls import URLPattern, URLResolver, re_path

from example_project import urls

_static = re_path(rf"^{settings.STATIC_URL.lstrip('/')}(?P<path>.*)$", partial(serve, insecure=True))
urlpatterns: list[URLPattern | URLResolver] = [_static, *urls.urlpatterns]

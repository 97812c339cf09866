"""Django's own tests of its CSRF protection, run against the guard's middleware.

They come with Django's source distribution alone and stay out of this repository: ``fetch`` puts them into the virtual
environment, ``run`` runs them, and ``tests/test_csrf_django.py`` looks at the outcome.
"""

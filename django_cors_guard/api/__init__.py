"""The audit log and the grants over HTTP; the only package that imports Django REST framework."""

"""Trust and revoke browser origins for Django APIs without a deploy, and see who was refused, and why.

The server side of the CORS protocol (https://fetch.spec.whatwg.org/#http-cors-protocol), the allowlist kept as data:
validated, versioned, audited and explainable. Start at `services` to change what is trusted, at `middleware` to see
what a request gets back.
"""

__version__ = "0.1.0"

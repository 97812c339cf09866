"""The shop's front end, on a site of its own: one page, as `gunicorn tests.browser.shop_front_end:application`."""

import os
from collections.abc import Callable, Iterable
from typing import Any

PAGE = """<!doctype html>
<html lang="en">
<title>Shop</title>
<script>
  let token = "";

  // What comes back: the status and who asked, or that the browser kept the answer to itself.
  async function call(method, path, body) {
    const headers = method === "GET" ? {} : {"Content-Type": "application/json", "X-CSRFToken": token};
    try {
      const options = {method, headers, credentials: "include", body: body && JSON.stringify(body)};
      const response = await fetch("%(api)s" + path, options);
      const text = await response.text();
      if (!response.ok) return `${response.status} ${text.includes("CSRF") ? "CSRF" : text}`;
      const answer = JSON.parse(text);
      token = answer.token || token;
      return `${response.status} ${answer.user || answer.ordered_by || ""}`.trim();
    } catch (error) {
      return "unreadable";
    }
  }
</script>
<h1>Shop</h1>
</html>
"""


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer everything with the page."""
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
    return [(PAGE % {"api": os.environ["SHOP_API"]}).encode()]

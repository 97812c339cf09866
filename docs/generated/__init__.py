"""What the code knows better than a page could: a module a part, and the extension that writes it."""

"""What the API and the pages share of HTTP: strict requests in, typed problems and safe headers out."""

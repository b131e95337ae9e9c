"""The methods, one a file; `hyperzoo.classification.registry` lists them."""

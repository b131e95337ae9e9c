"""The methods, one a file; `hyperzoo.prediction.registry` lists them."""

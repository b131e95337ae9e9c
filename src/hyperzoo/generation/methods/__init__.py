"""The methods, one a file; `registry` names them."""

"""Reports of a zoo: figures, tables, and the page that holds them."""

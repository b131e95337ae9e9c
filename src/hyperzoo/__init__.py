"""hyperzoo makes, keeps, reads and studies datasets whose samples are trained neural networks."""

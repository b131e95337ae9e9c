"""The ModelZoos (Schürholt et al., 2022): folders of Ray Tune's trials."""

"""Ways to generate networks, one file each; `registry.py` names them.

What several share lies beside them: `by_class` (classes fitted side by side) and `unit_order`
(hidden units in a random order); what `projection` is made of lies in `generation/projecting/`.
"""

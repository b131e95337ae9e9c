"""Ways to generate networks, one file each; `registry.py` names them.

What several share lies beside them: `unseen` (answers to images that networks were not trained
on), `distilled` (a network of a class with codes), `solving` (weights given a function layer by
layer), `by_class` (classes fitted side by side) and `unit_order` (hidden units in a random order).
"""

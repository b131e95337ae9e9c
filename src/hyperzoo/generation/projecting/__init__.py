"""What a function is distilled into, and how fresh weights are given it: the parts of `projection`.

In the order of the data: `unseen` (what training networks answer to images that are new to them),
`lessons` (what a network is distilled from), `distilled` (a network of a class, and its codes),
`looks` (what trained weights look like), `solving` (fresh weights given a function, layer by layer,
by `quick_pass`) and `calibrating` (how far codes reach, and noise). Others use some of them.
"""

"""Other people's formats: read into a zoo, written from a zoo.

To add one: a file with its functions, and a line in `FORMATS`.
"""

from hyperzoo.exchange.format import Format
from hyperzoo.exchange.metrics_csv import write_metrics_csv
from hyperzoo.exchange.plots import write_plots
from hyperzoo.exchange.pytorch import read_pytorch, recognises_pytorch, write_pytorch

FORMATS = {
    entry.name: entry
    for entry in (
        Format(
            name="metrics-csv",
            description="the published metrics table, a row a network",
            write=write_metrics_csv,
        ),
        Format(
            name="plots",
            description="PNGs of accuracy and loss over the epochs, and of ROC curves",
            write=write_plots,
        ),
        Format(
            name="pytorch",
            description="a state_dict a network, as safetensors",
            recognises=recognises_pytorch,
            read=read_pytorch,
            write=write_pytorch,
        ),
    )
}
"""Name -> format, for reading in the order in which files are tried."""

"""The judge: are generated networks as good, as diverse and as new as trained ones?"""

from hyperzoo.generation.judging.beside import Beside, put_beside
from hyperzoo.generation.judging.judge import Cost, judge
from hyperzoo.generation.judging.judgement import Judgement
from hyperzoo.generation.judging.reference import Reference, prepare_reference

__all__ = ["Beside", "Cost", "Judgement", "Reference", "judge", "prepare_reference", "put_beside"]

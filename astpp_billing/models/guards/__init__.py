from . import account_move
from . import guarded_models

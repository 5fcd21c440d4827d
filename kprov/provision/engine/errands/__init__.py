"""Tasks that take several words with a machine, with work of the controller in between: one file each.

Such a task is done when its turn comes, after all that was sent before it has been answered.
"""

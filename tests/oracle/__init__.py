"""An independent reading of StatsAPI documents: what every column of every table must hold.

Written from the JSON and the description of each column, in plain Python. It never looks at a mapping, so a mistake
in a mapping or in the engine shows as a difference.
"""

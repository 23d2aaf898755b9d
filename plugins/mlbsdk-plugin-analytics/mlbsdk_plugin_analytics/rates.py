"""The rates of batting, pitching and batted balls, as SQL over columns of counts. ``docs/analytics.md`` cites each.

A prefix says whose columns: ``batting_`` is one game, ``season_batting_`` the season to date. Nothing is rounded; a
rate whose denominator is 0 is null, an ERA without an out among them.
"""

from __future__ import annotations


def _ratio(numerator: str, denominator: str) -> str:
    return f"try_divide(CAST({numerator} AS DOUBLE), {denominator})"


def batting(prefix: str) -> dict[str, str]:
    """Return the rates of batting; wOBA takes its weights from columns ``weight_*``."""
    b = prefix
    on_base = f"{b}hits + {b}base_on_balls + {b}hit_by_pitch"
    obp = _ratio(f"({on_base})", f"({b}at_bats + {b}base_on_balls + {b}hit_by_pitch + {b}sac_flies)")
    slg = _ratio(f"{b}total_bases", f"{b}at_bats")
    weighted = (
        f"weight_walk * ({b}base_on_balls - {b}intentional_walks) + weight_hit_by_pitch * {b}hit_by_pitch "
        f"+ weight_single * ({b}hits - {b}doubles - {b}triples - {b}home_runs) + weight_double * {b}doubles "
        f"+ weight_triple * {b}triples + weight_home_run * {b}home_runs"
    )
    chances = f"({b}at_bats + {b}base_on_balls - {b}intentional_walks + {b}sac_flies + {b}hit_by_pitch)"
    return {
        f"{b}avg": _ratio(f"{b}hits", f"{b}at_bats"),
        f"{b}obp": obp,
        f"{b}slg": slg,
        f"{b}ops": f"{obp} + {slg}",
        f"{b}woba": _ratio(f"({weighted})", chances),
    }


def pitching(prefix: str) -> dict[str, str]:
    """Return the rates of pitching."""
    p = prefix
    return {
        # Scorers write 5 innings and an out as 5.1.
        f"{p}innings_pitched": f"CAST({p}outs DIV 3 + ({p}outs % 3) / 10D AS DECIMAL(7, 1))",
        f"{p}era": _ratio(f"(27 * {p}earned_runs)", f"{p}outs"),
        f"{p}whip": _ratio(f"(3 * ({p}base_on_balls + {p}hits))", f"{p}outs"),
        f"{p}strikeout_walk_ratio": _ratio(f"{p}strike_outs", f"{p}base_on_balls"),
        f"{p}strikeout_minus_walk_rate": _ratio(f"({p}strike_outs - {p}base_on_balls)", f"{p}batters_faced"),
        f"{p}whiff_rate": _ratio(f"{p}whiffs", f"{p}swings"),
    }


def batted_balls(prefix: str) -> dict[str, str]:
    """Return the rates of batted balls with a measured exit velocity."""
    b = prefix
    return {
        f"{b}exit_velocity_mean": _ratio(f"{b}exit_velocity_sum", f"{b}batted_balls"),
        f"{b}hard_hit_rate": _ratio(f"{b}hard_hit_balls", f"{b}batted_balls"),
        f"{b}sweet_spot_rate": _ratio(f"{b}sweet_spot_balls", f"{b}batted_balls"),
        f"{b}barrel_rate": _ratio(f"{b}barrels", f"{b}batted_balls"),
    }

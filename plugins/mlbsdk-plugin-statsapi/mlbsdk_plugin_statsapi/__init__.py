"""``mlbsdk fetch``: responses of the MLB StatsAPI into raw stores."""

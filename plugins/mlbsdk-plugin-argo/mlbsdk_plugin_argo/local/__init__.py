"""Running a workflow's manifest on this machine."""

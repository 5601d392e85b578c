"""Documents into desired state: the kinds, what they may refer to, and where each organization's data lives."""

"""Objects whose owners are gone."""

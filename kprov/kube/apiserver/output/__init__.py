"""How objects go out: plain, as a Table, or as metadata only."""

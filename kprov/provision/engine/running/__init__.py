"""A role on one host: tasks sent without waiting, results judged as they come, handlers at the end."""

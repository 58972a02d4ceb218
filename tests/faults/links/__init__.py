"""Links between processes that are open but dead."""

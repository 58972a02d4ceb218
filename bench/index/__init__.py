"""``acoustid bench index`` and ``index-kills``: the index alone."""

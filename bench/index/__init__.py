"""``acoustid bench index`` and ``index-kills``: the index without a stack."""

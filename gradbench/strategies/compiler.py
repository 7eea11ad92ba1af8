"""The compiler behind ``torch.compile``, which takes seconds to import.

Relies on its being ``torch._inductor.compile_fx``, as in torch 2.5 to 2.13: ``torch.compile``
imports it by itself, at the first call of what was compiled.
"""

import torch._inductor.compile_fx  # noqa: F401

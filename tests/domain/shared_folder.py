"""Where material that several repositories share lies, if it lies anywhere.

The repository stands alone: whatever reads this folder is skipped where there is none.
"""

import os
from pathlib import Path

SHARED = Path(os.environ.get("FERMATA_SHARED") or Path(__file__).resolve().parents[3] / "shared")

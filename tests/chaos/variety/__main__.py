import asyncio
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:1] = [str(ROOT / "tools"), str(ROOT / "tests" / "e2e"), str(ROOT / "tests" / "chaos")]

from variety.run import main  # noqa: E402

sys.exit(asyncio.run(main()))

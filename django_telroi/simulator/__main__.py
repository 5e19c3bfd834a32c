from __future__ import annotations

from django_telroi.simulator.command import main

main()

#!/usr/bin/env python3
"""To be written."""

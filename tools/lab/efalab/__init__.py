# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Boots virtual machines with emulated EFA devices and runs commands in them."""

"""Choosing where and in which precision to compute."""

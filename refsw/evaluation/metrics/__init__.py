"""Informative: metrics of tasks that have a room of their own: segmentation, text, tracking, keypoints."""

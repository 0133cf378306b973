"""The main job, from the camera to the loan: `pledgetrail demo`. Composes all rooms and holds no rule of its own."""

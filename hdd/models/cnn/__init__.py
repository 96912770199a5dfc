"""MLP-Mixer. The paper itself calls it a very special CNN (section 1), hence the folder's name."""

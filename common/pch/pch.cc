// Carries the precompiled headers; nothing else belongs here.

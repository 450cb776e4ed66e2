"""Lost and leaving gates and sentinels: restarted, moved, rewired."""

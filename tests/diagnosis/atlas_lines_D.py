"""Lines of the atlas's broken functions at which a person who knows would point: group D."""

LINES: dict[str, tuple[str, ...]] = {
    # zeros_and_nans
    "dead_relu": ("nn.init.constant_(layer.bias, -10.0)", ".relu().sum().backward()"),
    "both_factors_zero": ("(down * up)", "up = torch.zeros", "down = torch.zeros"),
    "clamped": ("w.clamp(0, 1)", "w = torch.full((2,), 3.0"),
    "root_of_zero": ("w.square().sum().sqrt()",),
    "where_over_nan": ("torch.where(w > 0, w.log(), w)",),
    "log_of_softmax": ("w.softmax(0).log()",),
    # hooks
    "hook_writes_in_place": ("gradient.mul_(10)",),
    "hook_returns_nothing": ("gradient = gradient *", "w.register_hook(mask)", "def mask("),
    "grad_read_in_hook": ("w.grad.clone()",),
    "hook_added_each_step": ("w.register_hook(lambda",),
    "clipped_per_backward": ("gradient.clamp(max=1)",),
    "hooked_module_written": (
        "nn.ReLU(inplace=True)",
        "register_full_backward_hook",
        "model(torch",
    ),
    # custom_functions
    "kept_on_ctx": ("ctx.x = x", "w += 2"),
    "too_few_gradients": ("return g * ctx.factor", "Scale.apply(w, 2.0)"),
    "written_not_marked": ("return x.mul_(2)", "Double.apply(x)"),
    "intermediate_saved": ("ctx.save_for_backward(e)", "create_graph=True"),
    # embeddings_and_losses
    "loss_broadcast": ("mse_loss(w, target)",),
    "padding_row_replaced": ("padding_idx=0", "table(torch.tensor([0]"),
    "loss_not_reduced": ("w.square().backward()",),
    "sparse_with_adam": ("sparse=True", "torch.optim.Adam(", "optimizer.step()"),
    # distributed
    "unused_in_ddp": ('"unused": nn.Linear', "DistributedDataParallel(layers)"),
    "frozen_after_ddp": ("layer.weight.requires_grad_(False)",),
    "replaced_after_ddp": ("layer.weight = nn.Parameter",),
    # in_place
    "leaf_written": ("w -= 0.1 * w.grad",),
    "leaf_view_written": ("w[0] = 3.0",),
    "saved_output_written": ("w.sigmoid().mul_(2)",),
    "step_between_losses": ("optimizer.step()",),
    "parts_written": ("first.mul_(3)",),
    "embedding_renormalised": ("norm + table(", "max_norm=0.5"),
    # grad_mode
    "forward_under_no_grad": ("with torch.no_grad():", "loss = w.square().sum()"),
    "grad_left_disabled": ("torch.set_grad_enabled(False)",),
    "no_grad_in_generator": ("with torch.no_grad():", "yield torch.ones"),
    "no_grad_in_thread": ("pool.submit(w.sub_", "with torch.no_grad(), ThreadPoolExecutor"),
    "inference_tensor_saved": ("with torch.inference_mode():", "features = torch.full"),
    # repeated_backward
    "graph_used_twice": ("loss.backward()",),
    "hidden_state_carried": ("hidden = cell(",),
    "gradient_without_graph": ("torch.autograd.grad(w.pow(3).sum(), w)",),
    # others
    "gradient_asked_for": ("torch.autograd.grad(y, x)", "use_reentrant=True"),
    "integer_parameter": ("torch.tensor([1, 2]",),
    "expanded_parameter": ("nn.Parameter(torch.ones(1, device=device).expand(3))",),
    "converted_after_steps": ("model.to(torch.bfloat16)",),
    "rebind_under_no_grad": ("w = w - 0.1 * w.grad",),
    "tensor_assigned_to_module": ("model.weight = model.weight -",),
    "compiled_second_derivative": ("torch.compile(", "create_graph=True", "g.sum().backward()"),
}
"""Substrings of accepted source lines, by the name of the mode."""

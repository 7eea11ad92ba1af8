"""Lines of the atlas's broken functions that findings of lost gradients may point at."""

LINES: dict[str, tuple[str, ...]] = {
    "loss_from_item": ("torch.tensor(loss.item(), requires_grad=True)",),
    "tensor_of_tensors": ("both = torch.tensor([a, b]",),
    "detached_part": ("first(x).detach()",),
    "hidden_gradient": ('"got": hidden.grad', "hidden = 2 * w"),
    "slice_gradient": ('"got": w[0].grad',),
    "rounded": ("w.round()",),
    "inference_parameter": ("with torch.inference_mode()", "model = nn.Linear"),
    "called_with_state_dict": ("model.state_dict()",),
    "stacked_models": ("stack_module_state(models)",),
    "functional_gradient_not_stored": ("torch.func.grad(",),
    "parameter_made_in_forward": ("nn.Parameter(3 * w)",),
    "unused_parameter": ("model = nn.ModuleList", "model[0](torch.ones"),
    "input_without_gradient": ("use_reentrant=True",),
    "penalty_without_graph": ("torch.autograd.grad(loss, w, retain_graph=True)",),
    "gradients_not_stored": ("torch.autograd.grad(w.square().sum(), w)",),
    "inner_step_not_recorded": ("lr=rate.item()", "optimizer.step()"),
    "rebind_with_grad": ("w = w - 0.1 * w.grad",),
    "scaled_initial_value": ("requires_grad=True) * 0.01",),
    "unfrozen_after_forward": ("w.requires_grad_()",),
    "target_not_detached": ("prediction, target = value[0], 0.5 * value[1]",),
}

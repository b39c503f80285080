"""All workloads by name."""
import acting
import between
import reading
import sending

WORKLOADS = {
    "send": sending.Send, "deliver": sending.Deliver, "deliver_many": sending.DeliverMany, "grow": sending.Grow,
    "idle": reading.Idle, "initial": reading.Initial, "pages": reading.Pages, "lists": reading.Lists,
    "rooms": acting.Rooms, "keys": acting.Keys, "memory": acting.Memory, "start": acting.Start,
    "inbound": between.Inbound, "inbound_many": between.InboundMany, "delivery": between.Delivery, "large": between.Large,
    "growth": between.Growth,
}

-- What an entry of the history says beside its kind may hold words about a customer: it goes with her.
grant update (detail) on tickets.ticket_event to tickets_app;

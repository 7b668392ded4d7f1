/* PayPal's buttons as the stand-in serves them: the window in which the buyer approves or cancels is part of the page. */
(function () {
    class Buttons {
        constructor(options) {
            this.options = options;
            this.enabled = true;
        }

        render(selector) {
            this.element = document.createElement("button");
            this.element.type = "button";
            this.element.className = "paypal_stand_in_button btn btn-warning w-100";
            this.element.textContent = "PayPal";
            document.querySelector(selector).append(this.element);
            const actions = {
                disable: () => { this.enabled = false; },
                enable: () => { this.enabled = true; },
            };
            this.options.onInit?.({}, actions);
            if (this.options.createOrder) {
                this.element.classList.add("paypal_stand_in_enabled");
                this.element.addEventListener("click", (event) => {
                    // PayPal's button is in a frame: the page does not see its clicks.
                    event.stopPropagation();
                    this.enabled && this.pay();
                });
            }
            return Promise.resolve();
        }

        hide() { this.element.classList.add("d-none"); }
        show() { this.element.classList.remove("d-none"); }
        close() { this.element.remove(); }

        async pay() {
            try {
                const orderID = await this.options.createOrder();
                if (!orderID) {
                    throw new Error("Expected an order id to be passed");
                }
                this.openWindow(orderID);
            } catch (error) {
                this.options.onError(error);
            }
        }

        openWindow(orderID) {
            const buyer = document.createElement("div");
            buyer.className = "paypal_stand_in_window position-fixed top-0 start-0 p-5 bg-white border";
            buyer.style.zIndex = 5000;
            buyer.innerHTML = '<button type="button" name="approve">Pay Now</button> <button type="button" name="cancel">Cancel</button>';
            // Not in the dialog that lets nothing outside have the focus.
            (document.querySelector(".modal.show") || document.body).append(buyer);
            buyer.querySelector("[name=approve]").addEventListener("click", async () => {
                buyer.remove();
                try {
                    await fetch(`STAND_IN_URL/buyer/approve/${orderID}`, { method: "POST" });
                    await this.options.onApprove({ orderID }, {});
                } catch (error) {
                    this.options.onError(error);
                }
            });
            buyer.querySelector("[name=cancel]").addEventListener("click", () => {
                buyer.remove();
                this.options.onCancel({ orderID });
            });
        }
    }

    window.paypal = { FUNDING: { PAYPAL: "paypal" }, Buttons: (options) => new Buttons(options) };
})();
